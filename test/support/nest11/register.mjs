// For programs that tests start under `npm run test:nest11`: `node --import` this, and they run on NestJS 11 too.
import { register } from 'node:module';

const hooks = `
  const nest11 = ${JSON.stringify(new URL('package.json', import.meta.url).href)};
  export const resolve = (specifier, context, next) =>
    next(specifier, specifier.startsWith('@nestjs/') ? { ...context, parentURL: nest11 } : context);`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
