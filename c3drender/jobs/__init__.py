"""One job: a photo and options become an output. In this process, or in a child with progress, a time limit and cancel.

``options`` reads and checks a job's options before any work; ``memory`` says what a job takes; ``run`` does it; ``child`` has
it done by another process. Batches, the service and whatever else renders on demand share these.
"""
