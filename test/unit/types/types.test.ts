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

/** A program over some files, one of which may have another text than on disk. */
function compile(files: readonly string[], replaced?: { file: string; text: string }): ts.Program {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root);
  const emitting = { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true };
  const host = ts.createCompilerHost(emitting);
  const readFile = host.readFile.bind(host);
  host.readFile = (path) => (path === replaced?.file ? replaced.text : readFile(path));
  return ts.createProgram(files, emitting, host);
}

function faultsOf(program: ts.Program, file: string): string[] {
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(({ messageText, start, file: source }) => {
    const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
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
  test('are what public-types.ts says', () => {
    expect(faultsOf(compile([statements]), statements)).toEqual([]);
    // And a wrong statement would be found.
    const text = (ts.sys.readFile(statements) ?? '').replace(
      "toEqualTypeOf<'sent' | 'stale'>",
      "toEqualTypeOf<'sent'>",
    );
    expect(faultsOf(compile([statements], { file: statements, text }), statements)).toHaveLength(1);
  }, 60_000);

  test('say any nowhere', () => {
    const { places, files } = anysOf(compile([publicFace]));
    expect(places).toEqual([]);
    expect(files).toBeGreaterThan(40);
    // And one that is only inferred would be found.
    const text = `${ts.sys.readFile(publicFace) ?? ''}\nexport const parse = (text: string) => [JSON.parse(text)];\n`;
    expect(anysOf(compile([publicFace], { file: publicFace, text })).places).toHaveLength(1);
  }, 60_000);
});
