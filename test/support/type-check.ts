/** Type-checks pieces of TypeScript as the project would, for documentation and for the types themselves. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the compiler has against each piece, by name: one line per fault, `name:line text`. Nothing is written. */
export function typeFaults(pieces: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ['none.ts'] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const folder = join(root, 'test', 'support', 'pieces');
  const files = new Map([...pieces].map(([name, code]) => [join(folder, `${name}.ts`), { name, code }]));
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists.call(host, file);
  host.readFile = (file) => files.get(file)?.code ?? readFile.call(host, file);
  host.getSourceFile = (file, ...rest) => {
    const piece = files.get(file);
    if (piece) return ts.createSourceFile(file, piece.code, ts.ScriptTarget.ES2023, true, ts.ScriptKind.TS);
    return getSourceFile.call(host, file, ...rest);
  };
  const pieceOptions = { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  const program = ts.createProgram([...files.keys()], { ...pieceOptions, noUnusedLocals: false }, host);
  return [...files].flatMap(([file, { name }]) => {
    const source = program.getSourceFile(file);
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return diagnostics.map(({ messageText, start }) => {
      const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
      return `${name}:${String(line)} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}
