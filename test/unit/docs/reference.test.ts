/**
 * Everything that leveret/amqp exports says what it is, and the methods of Connection and Channel say which AMQP method
 * they are and what goes wrong. docs/reference is made of these words.
 */
import { describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { classes } from '../../../lib/amqp/protocol/spec.js';

const entry = join(fileURLToPath(new URL('../../..', import.meta.url)), 'lib', 'amqp', 'index.ts');
// Without any library: what lib/amqp says of itself is all that is asked for.
const program = ts.createProgram([entry], { noLib: true, types: [], module: ts.ModuleKind.NodeNext });
const checker = program.getTypeChecker();

interface Documented {
  readonly name: string;
  readonly text: string;
}

function textOf(symbol: ts.Symbol): string {
  const tags = symbol.getJsDocTags(checker).map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`);
  return [ts.displayPartsToString(symbol.getDocumentationComment(checker)), ...tags].join('\n').trim();
}

const exported: readonly ts.Symbol[] = (() => {
  const source = program.getSourceFile(entry);
  const symbol = source && checker.getSymbolAtLocation(source);
  if (!symbol) throw new Error('leveret/amqp has no exports');
  return checker
    .getExportsOfModule(symbol)
    .map((each) => (each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each));
})();

const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;

function isPublic(member: ts.Symbol): boolean {
  const [declaration] = member.declarations ?? [];
  if (!declaration || member.name.startsWith('__')) return false;
  if (ts.isConstructorDeclaration(declaration) || ts.isParameter(declaration)) return false;
  if (member.getJsDocTags(checker).some(({ name }) => name === 'internal')) return false;
  const name = ts.getNameOfDeclaration(declaration);
  if (!name || ts.isPrivateIdentifier(name) || ts.isComputedPropertyName(name)) return false;
  return (ts.getCombinedModifierFlags(declaration) & hidden) === 0;
}

/** The public members of a class, interface or object type, those of base classes among them. */
function membersOf(symbol: ts.Symbol): Documented[] {
  const members = checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(isPublic);
  return members.map((member) => ({ name: `${symbol.name}.${member.name}`, text: textOf(member) }));
}

function isShape(symbol: ts.Symbol): boolean {
  return (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) !== 0;
}

function methodsOf(name: string): Documented[] {
  const symbol = exported.find((each) => each.name === name);
  if (!symbol) throw new Error(`leveret/amqp does not export ${name}`);
  const methods = checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(isPublic);
  return methods
    .filter(({ flags }) => flags & ts.SymbolFlags.Method)
    .map((method) => ({ name: method.name, text: textOf(method) }));
}

/** `queueDeclare` for `queue.declare`. */
const amqpMethods = new Map(
  classes.flatMap(({ name, methods }) =>
    methods.map((method) => {
      const amqpName = `${name}.${method.name}`;
      return [amqpName.replaceAll(/[.-](\w)/g, (_match, letter: string) => letter.toUpperCase()), amqpName] as const;
    }),
  ),
);

describe('the API reference', () => {
  test('says of every name what it is', () => {
    expect(exported.length).toBeGreaterThan(90);
    expect(exported.filter((symbol) => textOf(symbol) === '').map(({ name }) => name)).toEqual([]);
  });

  test('says of every member what it is', () => {
    const members = exported.filter(isShape).flatMap(membersOf);
    expect(members.length).toBeGreaterThan(250);
    expect(members.filter(({ text }) => text === '').map(({ name }) => name)).toEqual([]);
  });

  const methods = [...methodsOf('Channel'), ...methodsOf('Connection')];

  test('has each method of AMQP under its name, which its text begins with', () => {
    const named = methods.filter(({ name }) => amqpMethods.has(name));
    expect(named.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        ...['exchangeDeclare', 'exchangeDelete', 'exchangeBind', 'exchangeUnbind'],
        ...['queueDeclare', 'queueDelete', 'queuePurge', 'queueBind', 'queueUnbind'],
        ...['basicQos', 'basicConsume', 'basicCancel', 'basicPublish', 'basicGet'],
        ...['basicAck', 'basicNack', 'basicReject', 'basicRecover'],
        ...['confirmSelect', 'txSelect', 'txCommit', 'txRollback', 'channelFlow'],
      ]),
    );
    const silent = named.filter(({ name, text }) => !text.startsWith(amqpMethods.get(name) ?? '?'));
    expect(silent).toEqual([]);
    const others = { close: /^(channel|connection)\.close/, openChannel: /^channel\.open/ };
    for (const [name, pattern] of Object.entries(others)) {
      for (const method of methods.filter((each) => each.name === name)) expect(method.text).toMatch(pattern);
    }
    expect(methods.find(({ name }) => name === 'updateSecret')?.text).toMatch(/^connection\.update-secret/);
  });

  test('says of each method what goes wrong', () => {
    // Events, which cannot go wrong but by an argument that no compiler lets through.
    const harmless = ['on', 'once', 'off', 'listenerCount'];
    const silent = methods.filter(
      ({ name, text }) => !harmless.includes(name) && !/\b(rejects?|throws?|closes the channel|as `\w+`)\b/i.test(text),
    );
    expect(silent).toEqual([]);
  });

  test('gives the unit of every duration and size', () => {
    const parameters = exported.filter(({ name }) => /Parameters$|Options$/.test(name)).flatMap(membersOf);
    const measured = parameters.filter(
      ({ name }) => /(timeout|delay|max\w*size|framemax|bytes|heartbeat)$/i.test(name) && !name.endsWith('.noDelay'),
    );
    expect(measured.length).toBeGreaterThan(10);
    const silent = measured.filter(({ text }) => !/millisecond|second|byte/i.test(text));
    expect(silent).toEqual([]);
  });
});
