// For programs whose vertices are all that is wanted.
void main() {}
