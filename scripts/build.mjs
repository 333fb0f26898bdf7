// Builds dist/esm and dist/cjs with one `tsc` pass each, side by side. `node scripts/build.mjs esm` does one only.
//
// Both passes are incremental (build/*.tsbuildinfo). TypeScript never deletes what a removed source left behind, so a
// pass starts afresh whenever its output or its record is missing, and files without a source are swept afterwards.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const moduleTypes = { esm: 'module', cjs: 'commonjs' };
/** A source with this suffix takes the place of its namesake in the CommonJS build. */
const commonjsSuffix = '.commonjs';
const outputSuffix = /(\.d\.ts|\.js)(\.map)?$/;

async function compile(pass) {
  const output = join(root, 'dist', pass);
  const record = join(root, 'build', `${pass}.tsbuildinfo`);
  if (!existsSync(join(output, 'package.json')) || !existsSync(record)) {
    await rm(output, { recursive: true, force: true });
    await rm(record, { force: true });
  }
  await mkdir(output, { recursive: true });
  // Written first and again read by Node at run time: the nearest package.json decides what a .js file is.
  await writeFile(join(output, 'package.json'), `${JSON.stringify({ type: moduleTypes[pass] }, null, 2)}\n`);
  const code = await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [compiler, '--project', join(root, 'scripts', `tsconfig.${pass}.json`)], {
      cwd: root,
      stdio: 'inherit',
    });
    child.once('error', reject);
    child.once('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  if (code !== 0) {
    // A failed pass must not look up to date to the next one.
    await rm(record, { force: true });
    return false;
  }
  if (pass === 'cjs') await installCommonjsVariants(output);
  await sweep(output);
  return true;
}

async function filesBelow(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/**
 * module-location.commonjs.js becomes module-location.js, the name that its importers say. It is a copy, so that an
 * incremental pass which leaves the file alone finds it where it was.
 */
async function installCommonjsVariants(output) {
  for (const file of await filesBelow(output)) {
    if (!file.includes(`${commonjsSuffix}.`)) continue;
    const plain = file.replace(`${commonjsSuffix}.`, '.');
    const text = await readFile(file, 'utf8');
    await writeFile(plain, text.replaceAll(/(sourceMappingURL=\S*?)\.commonjs\./g, '$1.'));
  }
}

/** Removes outputs whose source is gone, so that a deleted module is not published from an old build. */
async function sweep(output) {
  for (const file of await filesBelow(output)) {
    if (!outputSuffix.test(file)) continue;
    const source = join(root, 'lib', relative(output, file).replace(outputSuffix, '.ts'));
    if (!existsSync(source)) await rm(file);
  }
  const program = join(output, 'cli', 'main.js');
  if (existsSync(program)) await chmod(program, 0o755);
}

const requested = process.argv.slice(2);
const passes = requested.length > 0 ? requested : Object.keys(moduleTypes);
for (const pass of passes) {
  if (!(pass in moduleTypes)) {
    console.error(`build: no such pass: ${pass} (there are ${Object.keys(moduleTypes).join(', ')})`);
    process.exit(2);
  }
}
const results = await Promise.all(passes.map(compile));
process.exitCode = results.every(Boolean) ? 0 : 1;
