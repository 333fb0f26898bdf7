// Writes docs/reference: what the sources of `leveret/amqp` say of themselves, as Markdown, by TypeDoc.
//
//   npm run docs         writes the pages
//   npm run docs:check   fails where they are not what the sources say
//
// TypeDoc makes a page of each module, so each page is given one: a file in build/reference that exports its names. The
// outcome depends on the sources alone: no dates, no paths of this machine, no revisions.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, Converter, ReflectionKind, TSConfigReader } from 'typedoc';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const index = join(root, 'lib', 'amqp', 'index.ts');
const reference = join(root, 'docs', 'reference');
const work = join(root, 'build', 'reference');

/** Page, what it is about, and which of the names that leveret/amqp exports it holds: by name, or by source file. */
const pages = [
  {
    name: 'connection',
    title: 'Connection',
    about: 'Connecting, and a connection as you hold it: over all lives of its socket.',
    holds: ['connect', 'Connection', 'connectShared', /\/client\/connection(-events)?\.ts$/, /\/threads\//],
  },
  {
    name: 'parameters',
    title: 'Parameters',
    about: 'What `connect` takes. Every field is optional; all are checked together before anything is opened.',
    holds: [/\/connection\//],
  },
  {
    name: 'channel',
    title: 'Channel',
    about: 'Declaring, publishing, consuming and settling: the methods of AMQP by their names.',
    holds: ['Channel', /\/client\/(?!plan|drift)/],
  },
  {
    name: 'messages',
    title: 'Messages',
    about: 'Deliveries and what came back, their properties and headers.',
    holds: [/\/channel\//, /\/protocol\//],
  },
  {
    name: 'errors',
    title: 'Errors',
    about: 'One hierarchy, whose root is `AmqpError`. Members stand with the class that has them first.',
    holds: ['AmqpError', /\/errors\.ts$/],
  },
  {
    name: 'recovery',
    title: 'Recovery',
    about: 'What is remembered of the topology, what the broker refused to restore, plans and drift.',
    holds: [/\/recovery\//, /\/client\/(plan|drift)/],
  },
  {
    name: 'transport',
    title: 'Transport',
    about: 'How bytes travel: TCP, TLS, memory, or a way of your own.',
    holds: [/\/transport\//],
  },
  {
    name: 'diagnostics',
    title: 'Diagnostics',
    about: 'What `node:diagnostics_channel` tells: one channel per kind of event, each with the shape below.',
    holds: [/\/diagnostics\.ts$/],
  },
];

/** Every name that leveret/amqp exports, with the file that declares it. */
function exportedNames() {
  const program = ts.createProgram([index], { noLib: true, types: [], module: ts.ModuleKind.NodeNext });
  const checker = program.getTypeChecker();
  return checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(index))).map((symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    return { name: symbol.name, file: target.declarations[0].getSourceFile().fileName.replaceAll('\\', '/') };
  });
}

/** Writes a module for each page; fails where a name has no page. */
async function writeModules() {
  const names = exportedNames();
  const homeless = new Set(names.map(({ name }) => name));
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  for (const page of pages) {
    const held = names.filter(
      ({ name, file }) =>
        homeless.has(name) &&
        page.holds.some((rule) =>
          typeof rule === 'string' ? rule === name : rule.test(file) && !isNamedElsewhere(name, page),
        ),
    );
    for (const { name } of held) homeless.delete(name);
    const list = held.map(({ name }) => `  ${name},\n`).join('');
    const header = `/**\n * ${page.about}\n *\n * @module ${page.title}\n */\n`;
    await writeFile(join(work, `${page.name}.ts`), `${header}export {\n${list}} from '../../lib/amqp/index.js';\n`);
  }
  if (homeless.size > 0) throw new Error(`no page of scripts/reference.mjs holds ${[...homeless].join(', ')}`);
  const compilerOptions = { isolatedModules: false, verbatimModuleSyntax: false, rootDir: '../..' };
  await writeFile(
    join(work, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'], exclude: [] }),
  );
}

function isNamedElsewhere(name, page) {
  return pages.some((other) => other !== page && other.holds.includes(name));
}

/** Classes that users make with `new`; all others are made for them. */
const constructible = new Set(['TypedField']);

/**
 * What a class inherits stands with the class that it has it from, where that has an entry of its own;
 * constructors that users never call stand nowhere.
 */
function removeRepeatedMembers({ project }) {
  const reflections = Object.values(project.reflections);
  const repeated = reflections.filter((reflection) => {
    if (reflection.kindOf(ReflectionKind.Constructor)) return !constructible.has(reflection.parent.name);
    const from =
      reflection.inheritedFrom ?? reflection.signatures?.[0]?.inheritedFrom ?? reflection.getSignature?.inheritedFrom;
    return reflection.kindOf(ReflectionKind.ClassMember) && from?.reflection !== undefined;
  });
  for (const reflection of repeated) project.removeReflection(reflection);
}

/** As the plugin writes it, without what a signature says already or no entry explains, and with a list of methods atop of each class. */
function polish(markdown) {
  const text = markdown
    .replaceAll(/[ \t]+$/gm, '')
    .replaceAll(/^#+ Get Signature\n\n/gm, '')
    .replaceAll(/^#+ Returns\n\n(?!.*\]\()[^\n]+(?:\n {2}\\\|[^\n]*)*\n\n(?=[#*]|$)/gm, '')
    .replaceAll(/^#+ (?:Overrides|Implementation of|Inherited from)\n\n[^\n]+\n\n?/gm, '')
    .replaceAll(/^#+ Extends\n\n- `(?!Error`)\w+`[^\n]*\n\n?/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n');
  const lines = [];
  const slugs = new Map();
  let methods;
  for (const line of text.trimEnd().split('\n')) {
    lines.push(line);
    const [, level, title] = /^(#+) (.+)$/.exec(line) ?? [];
    if (level === undefined) continue;
    // As GitHub makes the anchors of headings.
    const plain = title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-');
    const count = slugs.get(plain) ?? 0;
    slugs.set(plain, count + 1);
    if (title === 'Methods') {
      methods = { at: lines.length, links: [] };
      lines.push('', methods);
    } else if (level.length < 5) methods = undefined;
    else if (level.length === 5 && title.endsWith('()')) {
      methods?.links.push(`[${title.slice(0, -2)}](#${plain}${count === 0 ? '' : `-${count}`})`);
    }
  }
  return `${lines.map((line) => line.links?.join(' · ') ?? line).join('\n')}\n`;
}

async function filesOf(folder) {
  const names = await readdir(folder).catch(() => []);
  return new Map(
    await Promise.all(names.sort().map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  );
}

async function generate(out) {
  await writeModules();
  const application = await Application.bootstrapWithPlugins(
    {
      plugin: ['typedoc-plugin-markdown'],
      logLevel: 'Warn',
      outputs: [{ name: 'markdown', path: out }],
      cleanOutputDir: true,
      entryPoints: pages.map(({ name }) => join(work, `${name}.ts`)),
      tsconfig: join(work, 'tsconfig.json'),
      name: 'leveret/amqp',
      readme: 'none',
      router: 'module',
      disableSources: true,
      disableGit: true,
      excludePrivate: true,
      excludeProtected: true,
      excludeInternal: true,
      excludeExternals: true,
      sort: ['source-order'],
      sortEntryPoints: false,
      groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables', 'Properties', 'Accessors', '*'],
      validation: { notExported: false, invalidLink: true, notDocumented: false },
      hideGenerator: true,
      hidePageHeader: true,
      hideBreadcrumbs: true,
      useCodeBlocks: true,
      expandParameters: true,
      indexFormat: 'table',
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      classPropertiesFormat: 'table',
      typeAliasPropertiesFormat: 'table',
      tableColumnSettings: { hideSources: true, hideInherited: true, hideOverrides: true, hideModifiers: true },
    },
    [new TSConfigReader()],
  );
  application.converter.on(Converter.EVENT_RESOLVE_END, removeRepeatedMembers);
  const project = await application.convert();
  if (!project) throw new Error('TypeDoc could not read the sources');
  application.validate(project);
  if (application.logger.hasErrors() || application.logger.hasWarnings()) throw new Error('TypeDoc is not content');
  await application.generateOutputs(project);
  for (const [name, text] of await filesOf(out)) await writeFile(join(out, name), polish(text));
}

if (process.argv.includes('--check')) {
  const fresh = join(work, 'fresh');
  await generate(fresh);
  const [now, wanted] = [await filesOf(reference), await filesOf(fresh)];
  const stale = [...new Set([...now.keys(), ...wanted.keys()])].filter((name) => now.get(name) !== wanted.get(name));
  if (stale.length > 0) {
    console.error(`docs/reference is not what the sources say (${stale.join(', ')}): npm run docs`);
    process.exitCode = 1;
  }
} else {
  await generate(reference);
}
