// The package as others get it: packed, installed from the tarball into applications of their own, compiled there by
// their TypeScript, and run. The applications install NestJS from the registry that npm is configured with. What they run
// is one file, fixtures/application/shop.test.ts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const minutes = 60_000;
const entries = ['leveret/amqp', 'leveret/broker'];
const common = join(here, 'fixtures', 'application');
const fixtures = ['nest12-esm', 'nest12-cjs', 'nest11-cjs', 'nest12-vitest'];

let directory;
let tarball;
/** The folder of each application, a promise: packages come over the network while the first tests run. */
let applications;

/** The environment of a user's shell: what `npm run` and the test runner put into ours would lead a child astray. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_(package|lifecycle)_/.test(name) &&
      !['npm_config_local_prefix', 'npm_command', 'INIT_CWD', 'NODE_OPTIONS', 'NODE_TEST_CONTEXT'].includes(name),
  ),
);

/** Runs a program to its end; a failure carries everything that it said. */
async function run(cwd, program, ...programArguments) {
  const child = spawn(program, programArguments, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let everything = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    everything += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (everything += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), 5 * minutes);
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...how) => resolve(how));
  });
  clearTimeout(timer);
  if (code !== 0) {
    const command = [program, ...programArguments].join(' ');
    throw new Error(`${command} ended with ${code ?? signal}\n${everything}`);
  }
  return { stdout, everything };
}

const node = (cwd, ...nodeArguments) => run(cwd, process.execPath, ...nodeArguments);
const evaluate = (cwd, type, code) => node(cwd, `--input-type=${type}`, '--eval', code);

async function packagesIn(modules) {
  const names = await readdir(modules);
  const nested = await Promise.all(
    names
      .filter((name) => !name.startsWith('.'))
      .map(async (name) =>
        name.startsWith('@') ? (await readdir(join(modules, name))).map((inner) => `${name}/${inner}`) : [name],
      ),
  );
  return nested.flat();
}

async function install(cwd, ...more) {
  await run(cwd, 'npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', ...more);
}

/** Installed or being installed: applications with the same packages share it. */
const installations = new Map();

/** An application folder made of a fixture (package.json, tsconfig) and the common source, with its packages. */
async function application(fixture) {
  const folder = join(directory, fixture);
  await cp(join(here, 'fixtures', fixture), folder, { recursive: true });
  await cp(common, join(folder, 'src'), { recursive: true });
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const wanted = JSON.stringify({ dependencies, devDependencies });
  const installed = installations.get(wanted);
  if (installed === undefined) {
    const installation = install(folder, tarball).then(() => join(folder, 'node_modules'));
    installations.set(wanted, installation);
    await installation;
  } else {
    await symlink(await installed, join(folder, 'node_modules'));
  }
  return folder;
}

const compile = (folder, configuration) =>
  node(folder, join('node_modules', 'typescript', 'bin', 'tsc'), '--project', configuration);

/** The tests of the compiled application, by Node's own test runner. */
async function testByNode(folder) {
  const globals = './src/node-test-globals.mjs';
  const runner = ['--import', globals, '--test', '--test-reporter=tap', '--test-timeout=30000'];
  const { stdout } = await node(folder, ...runner, join('dist', 'shop.test.js'));
  assert.equal(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]), await testCount(), stdout);
}

/** The same tests by Jest, which compiles them itself. It ends when nothing is open any more, and not before. */
async function testByJest(folder, ...nodeOptions) {
  const { everything } = await node(folder, ...nodeOptions, join('node_modules', 'jest', 'bin', 'jest.js'), '--ci');
  assert.equal(
    Number(/^Tests: +(\d+) passed, \1 total$/m.exec(everything)?.[1]),
    await testCount(join(folder, 'src')),
    everything,
  );
}

/** The same tests, compiled already, by Vitest: a worker for each file. */
async function testByVitest(folder) {
  const { everything } = await node(folder, join('node_modules', 'vitest', 'vitest.mjs'), 'run', '--no-color');
  assert.equal(
    Number(/^ *Tests +(\d+) passed \(\1\)$/m.exec(everything)?.[1]),
    await testCount(join(folder, 'src')),
    everything,
  );
}

/** How many tests the files have: none may be lost on the way. */
async function testCount(source = common) {
  const files = (await readdir(source)).filter((name) => name.endsWith('.test.ts'));
  const texts = await Promise.all(files.map((name) => readFile(join(source, name), 'utf8')));
  return texts.join('\n').match(/^ *(it|test)\(/gm).length;
}

before(
  async () => {
    directory = await mkdtemp(join(tmpdir(), 'leveret-packaging-'));
    // The build has just run (scripts/test-packaging.mjs), so npm need not run it again.
    const { stdout } = await run(root, 'npm', 'pack', '--ignore-scripts', '--silent', '--pack-destination', directory);
    tarball = join(directory, stdout.trim().split('\n').at(-1));
    applications = Object.fromEntries(fixtures.map((fixture) => [fixture, application(fixture)]));
    // Who waits for one hears of its failure.
    for (const made of Object.values(applications)) made.catch(() => undefined);
  },
  { timeout: 5 * minutes },
);

after(async () => {
  await Promise.allSettled(Object.values(applications ?? {}));
  await rm(directory, { recursive: true, force: true });
});

describe('the tarball', () => {
  it('holds the two builds and no more', async () => {
    const { stdout } = await run(directory, 'tar', '--list', '--file', tarball);
    const files = stdout.trim().split('\n');
    const allowed = /^package\/(package\.json|README\.md|CHANGELOG\.md|LICENSE|dist\/(esm|cjs)\/.*)$/;
    assert.deepEqual(
      files.filter((file) => !allowed.test(file)),
      [],
    );
    for (const file of ['package.json', 'LICENSE', 'CHANGELOG.md', 'dist/esm/index.d.ts', 'dist/cjs/index.d.ts']) {
      assert.ok(files.includes(`package/${file}`), `${file} is missing`);
    }
  });

  it('is what publint asks of a package', async () => {
    const { messages, pkg } = await publint({ pkgDir: root, pack: false, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });

  it('has types that agree with its code, however they are resolved', async () => {
    const manifest = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json');
    await node(directory, join(dirname(manifest), 'dist', 'index.js'), tarball, '--no-emoji', '--format', 'ascii');
  });
});

describe('installed alone', () => {
  let folder;

  before(
    async () => {
      folder = join(directory, 'alone');
      await mkdir(folder);
      await run(folder, 'npm', 'init', '--yes');
      await install(folder, tarball);
    },
    { timeout: 5 * minutes },
  );

  it('is one package', async () => {
    assert.deepEqual(await packagesIn(join(folder, 'node_modules')), ['leveret']);
  });

  for (const entry of entries) {
    it(`${entry} can be required`, async () => {
      const { stdout } = await evaluate(folder, 'commonjs', `console.log(Object.keys(require('${entry}')).length > 0)`);
      assert.equal(stdout.trim(), 'true');
    });

    it(`${entry} can be imported, and has the same names`, async () => {
      const code = `import * as imported from '${entry}'; import { createRequire } from 'node:module';
        const required = createRequire(process.cwd() + '/')('${entry}');
        const names = (module) => Object.keys(module).filter((name) => name !== 'default').sort().join();
        console.log(names(imported) === names(required));`;
      const { stdout } = await evaluate(folder, 'module', code);
      assert.equal(stdout.trim(), 'true');
    });
  }

  it('a program publishes and consumes with the client alone', async () => {
    const code = `import { connect } from 'leveret/amqp';
      import { EmbeddedBroker } from 'leveret/broker';
      const broker = process.env.AMQP_URL ? undefined : await EmbeddedBroker.start({ port: 0 });
      const connection = await connect(broker ? broker.url : process.env.AMQP_URL);
      const channel = await connection.openChannel({ confirm: true });
      const { queue } = await channel.queueDeclare('', { exclusive: true, durable: false });
      await channel.publish('', queue, 'hello');
      const delivery = await channel.basicGet(queue);
      delivery.ack();
      console.log(delivery.body.toString());
      await connection.close();
      await broker?.stop();`;
    const { stdout } = await evaluate(folder, 'module', code);
    assert.equal(stdout.trim(), 'hello');
  });

  for (const [type, load] of [
    [
      'module',
      "import { connect, connectShared } from 'leveret/amqp'; import { EmbeddedBroker } from 'leveret/broker'",
    ],
    [
      'commonjs',
      "const { connect, connectShared } = require('leveret/amqp'); const { EmbeddedBroker } = require('leveret/broker')",
    ],
  ]) {
    it(`the I/O thread finds its program, and a connection can be shared (${type})`, async () => {
      const code = `${load};
        (async () => {
          const broker = process.env.AMQP_URL ? undefined : await EmbeddedBroker.start({ port: 0 });
          const connection = await connect(broker ? broker.url : process.env.AMQP_URL, { ioThread: true });
          const shared = await connectShared(connection.share());
          const channel = await shared.openChannel({ confirm: true });
          const { queue } = await channel.queueDeclare('', { exclusive: true });
          await channel.publish('', queue, 'hello');
          console.log((await channel.basicGet(queue)).body.toString());
          await shared.close();
          await connection.close();
          await broker?.stop();
        })();`;
      const { stdout } = await evaluate(folder, type, code);
      assert.equal(stdout.trim(), 'hello');
    });
  }

  for (const [type, code] of [
    ['module', "await import('leveret')"],
    ['commonjs', "require('leveret')"],
  ]) {
    it(`the root entry names the peer it misses (${type})`, async () => {
      await assert.rejects(evaluate(folder, type, code), /@nestjs\/(common|core|microservices)|reflect-metadata|rxjs/);
    });
  }

  it('the command runs', async () => {
    await run(folder, join('node_modules', '.bin', 'leveret'), '--help');
  });
});

describe('in an application', { timeout: 10 * minutes }, () => {
  describe('on NestJS 12, ES modules', () => {
    it('compiles', async () => compile(await applications['nest12-esm'], 'tsconfig.json'));
    it('passes its tests in node', async () => testByNode(await applications['nest12-esm']));
    it('passes its tests in Jest, with @swc/jest', async () =>
      testByJest(await applications['nest12-esm'], '--experimental-vm-modules'));
  });

  describe('on NestJS 12, in Vitest', () => {
    it('compiles', async () => compile(await applications['nest12-vitest'], 'tsconfig.json'));
    it('passes its tests, the matchers of leveret/testing among them', async () =>
      testByVitest(await applications['nest12-vitest']));
  });

  // Jest loads NestJS 12 from CommonJS on Node 24.9 and newer only.
  describe('on NestJS 12, CommonJS', () => {
    it('compiles', async () => compile(await applications['nest12-cjs'], 'tsconfig.json'));
    it('passes its tests in node', async () => testByNode(await applications['nest12-cjs']));
  });

  describe('on NestJS 11, CommonJS', () => {
    it('compiles', async () => compile(await applications['nest11-cjs'], 'tsconfig.json'));
    it('compiles by a resolution that knows no "exports"', async () =>
      compile(await applications['nest11-cjs'], 'tsconfig.node10.json'));
    it('passes its tests in node', async () => testByNode(await applications['nest11-cjs']));
    it('passes its tests in Jest, with ts-jest', async () => testByJest(await applications['nest11-cjs']));
  });
});

describe('the repository', () => {
  const nest = join('node_modules', '@nestjs', 'cli', 'bin', 'nest.js');

  it('nest build', { timeout: 5 * minutes }, async () => {
    await node(root, nest, 'build');
  });

  it('nest start quickstart', { timeout: 5 * minutes }, async () => {
    await node(root, nest, 'start', 'quickstart');
  });
});
