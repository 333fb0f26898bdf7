/**
 * The public types of `leveret/amqp`: the statements of public-types.ts hold, and no declaration says `any`.
 *
 * The compiler itself is asked. `any` is looked for in the declarations that it emits, where an inferred one is written
 * out too, of every file that the public face reaches.
 */
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const statements = join(root, 'test/unit/types/public-types.ts');
const publicFace = join(root, 'lib/amqp/index.ts');

/** A program over both files; `replaced` says another text for one than on disk. `earlier` saves time. */
function compile(replaced: ReadonlyMap<string, string>, earlier?: ts.Program): ts.Program {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const files = [statements, publicFace];
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root);
  const emitting = { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true };
  const host = ts.createCompilerHost(emitting);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, version, ...rest) => {
    const text = replaced.get(path);
    if (text !== undefined) return ts.createSourceFile(path, text, version);
    return earlier?.getSourceFile(path) ?? getSourceFile(path, version, ...rest);
  };
  return ts.createProgram(files, emitting, host);
}

function faultsIn(program: ts.Program): string[] {
  const source = program.getSourceFile(statements);
  return ts.getPreEmitDiagnostics(program, source).map(({ messageText, start = 0 }) => {
    const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
    return `${String(line)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

/** Where the declarations that a program emits for lib/amqp say `any`. */
function anysOf(program: ts.Program): { places: string[]; files: number } {
  const places: string[] = [];
  let files = 0;
  program.emit(undefined, (path, text) => {
    const name = relative(root, path);
    if (!name.startsWith('lib/amqp/') || !name.endsWith('.d.ts')) return;
    files += 1;
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) places.push(`${name}: ${node.parent.getText().slice(0, 120)}`);
      ts.forEachChild(node, visit);
    };
    visit(source);
  });
  return { places, files };
}

describe('the public types', () => {
  let program: ts.Program;
  /** With a wrong statement, and with an `any` that is only inferred. */
  let faulty: ts.Program;

  beforeAll(() => {
    const textOf = (file: string): string => ts.sys.readFile(file) ?? '';
    program = compile(new Map());
    faulty = compile(
      new Map([
        [statements, textOf(statements).replace("toEqualTypeOf<'sent' | 'stale'>", "toEqualTypeOf<'sent'>")],
        [publicFace, `${textOf(publicFace)}\nexport const parse = (text: string) => [JSON.parse(text)];\n`],
      ]),
      program,
    );
  }, 60_000);

  test('are what public-types.ts says', () => {
    expect(faultsIn(program)).toEqual([]);
    expect(faultsIn(faulty)).toHaveLength(1);
  }, 60_000);

  test('say any nowhere', () => {
    const { places, files } = anysOf(program);
    expect(places).toEqual([]);
    expect(files).toBeGreaterThan(40);
    expect(anysOf(faulty).places).toHaveLength(1);
  }, 60_000);
});
