// export.py writes shaders.js from the shaders' files.
export const SHADERS: Record<string, string>;
