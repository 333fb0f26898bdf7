/** Where this folder is, in the CommonJS build, where it takes the place of module-location.ts. */
import { pathToFileURL } from 'node:url';

export const moduleLocation: string = pathToFileURL(__filename).href;
