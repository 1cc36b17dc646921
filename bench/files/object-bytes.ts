/** The size of the object that is moved: far more than any buffer on its way. */
export const OBJECT_BYTES = 64 * 1024 * 1024;
