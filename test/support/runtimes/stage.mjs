// Lays out the client's suite as an application that uses the published package, for runtimes that Jest does not run on:
//
//   build/runtimes/package.json                     an ES-module application, so `leveret` is not this repository
//   build/runtimes/tsconfig.json                    empty, for the same reason
//   build/runtimes/node_modules/leveret/            package.json and dist/esm as a user installs them
//   build/runtimes/node_modules/@jest/globals/      our globals.ts in place of Jest's, which throws outside Jest
//   build/runtimes/test/                            the tests, types stripped, with Jest's own compiler options
//
// `../../lib/x.js` in a test becomes the same file of that package. No links: Deno would load what is behind one twice.
// A copy in node_modules rather than the repository's dist: Deno gives packages Node's globals (timers that are objects) and other
// code its own, and a user's copy is in node_modules. Other packages are found further up, in the repository's own.
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transform } from '@swc/core';
import jestConfiguration from '../../../jest.config.mjs';

/** The tests of the client: every one of these folders that is there, and what they share. */
export const suiteFolders = [
  'test/unit/protocol',
  'test/unit/transport',
  'test/unit/connection',
  'test/unit/channel',
  'test/unit/recovery',
  'test/unit/client',
  'test/unit/threads',
  'test/integration/client',
  'test/integration/connection',
  'test/integration/threads',
];
const [[, [, compilerOptions]]] = Object.entries(jestConfiguration.transform);

/** What a test takes from the sources it takes from the package: the same modules that `leveret/amqp` loads. */
function fromPackage(text) {
  return text.replaceAll(/((?:from|import|import\()\s*['"](?:\.\.\/)+)lib\//g, '$1node_modules/leveret/dist/esm/');
}

async function compile(from, to) {
  const { code } = await transform(await readFile(from, 'utf8'), { ...compilerOptions, filename: from, swcrc: false });
  await writeFile(to, fromPackage(code));
}

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Lays it out below `stage`; dist/esm must be built. Answers the test files, as paths relative to the stage. */
export async function prepareStage(root, stage) {
  await rm(stage, { recursive: true, force: true });
  const packageFolder = join(stage, 'node_modules', 'leveret');
  await mkdir(join(stage, 'node_modules', '@jest', 'globals'), { recursive: true });
  await mkdir(packageFolder);
  await cp(join(root, 'package.json'), join(packageFolder, 'package.json'));
  await cp(join(root, 'dist', 'esm'), join(packageFolder, 'dist', 'esm'), { recursive: true });
  const application = { name: 'leveret-runtimes', private: true, type: 'module' };
  await writeFile(join(stage, 'package.json'), JSON.stringify(application));
  // Bun resolves by the nearest tsconfig.json: the repository's would turn `leveret/amqp` into lib/amqp/index.ts.
  await writeFile(join(stage, 'tsconfig.json'), '{}\n');
  const globals = join(stage, 'node_modules', '@jest', 'globals');
  await writeFile(
    join(globals, 'package.json'),
    JSON.stringify({ name: '@jest/globals', type: 'module', exports: './index.js' }),
  );
  await writeFile(join(globals, 'index.js'), "export * from '../../../test/support/runtimes/globals.js';\n");

  const tests = [];
  for (const folder of [...suiteFolders, 'test/support']) {
    for (const from of await filesBelow(join(root, folder))) {
      const path = from.slice(root.length + 1);
      if (path.startsWith('test/unit/protocol/generated.test')) continue;
      const compiled = path.replace(/\.ts$/, '.js');
      const isTest = compiled.endsWith('.test.js');
      await mkdir(dirname(join(stage, path)), { recursive: true });
      // Programs that tests start are named as they are in the sources; the rest lies there unused.
      if (!isTest) await writeFile(join(stage, path), fromPackage(await readFile(from, 'utf8')));
      if (compiled !== path) await compile(from, join(stage, compiled));
      if (isTest) tests.push(compiled);
    }
  }
  return tests.sort();
}
