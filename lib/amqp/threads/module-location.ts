/** Where this folder is, in the ES-module build and in the sources; see module-location.commonjs.ts. */
export const moduleLocation: string = import.meta.url;
