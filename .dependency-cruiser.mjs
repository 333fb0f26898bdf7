// Which part may import which. The picture is in CONTRIBUTING.md; `npm run lint` holds the code to it.

/** The layers of the client, from the bytes up: each may import itself and those before it. */
const layers = ['protocol', 'transport', 'connection', 'channel', 'recovery', 'client', 'threads'];

const clientLayers = layers.map((layer, position) => ({
  name: `amqp-${layer}-looks-down-only`,
  comment: `lib/amqp/${layer} may import ${layers.slice(0, position + 1).join(', ')}, errors.ts and diagnostics.ts, nothing else of ours.`,
  severity: 'error',
  from: { path: `^lib/amqp/${layer}/` },
  to: {
    path: '^lib/',
    pathNot: [`^lib/amqp/(${layers.slice(0, position + 1).join('|')})/`, '^lib/amqp/(errors|diagnostics)\\.ts$'],
  },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one idea, or one of them holds a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unknown-modules',
      comment: 'An import that resolves to nothing.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['unknown', 'undetermined'] },
    },
    ...clientLayers,
    {
      name: 'amqp-errors-and-diagnostics-stand-alone',
      comment: 'Every layer imports them, so they may import types of the protocol only, and each other’s.',
      severity: 'error',
      from: { path: '^lib/amqp/(errors|diagnostics)\\.ts$' },
      to: { path: '^lib/', pathNot: ['^lib/amqp/protocol/', '^lib/amqp/errors\\.ts$'] },
    },
    {
      name: 'amqp-errors-and-diagnostics-take-types-only',
      comment: 'A value from the protocol would close a circle with the layer that throws these errors.',
      severity: 'error',
      from: { path: '^lib/amqp/(errors|diagnostics)\\.ts$' },
      to: { path: '^lib/amqp/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'amqp-knows-nobody',
      comment: 'The client is for any Node program: nothing above it, and no package but Node itself.',
      severity: 'error',
      from: { path: '^lib/amqp/' },
      to: { pathNot: '^lib/amqp/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'broker-speaks-the-protocol-only',
      comment: 'The embedded broker shares bytes, transports and errors with the client, and imports Node only.',
      severity: 'error',
      from: { path: '^lib/broker/' },
      to: {
        pathNot: ['^lib/broker/', '^lib/amqp/(protocol|transport)/', '^lib/amqp/errors\\.ts$'],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'nest-uses-the-public-client',
      comment: 'lib/nest sees of the client what users see: lib/amqp/index.ts.',
      severity: 'error',
      from: { path: '^lib/(nest/|index\\.ts$)' },
      to: { path: '^lib/', pathNot: ['^lib/nest/', '^lib/amqp/index\\.ts$'] },
    },
    {
      name: 'testing-uses-public-faces',
      comment: 'lib/testing wires the broker to a Nest application, each by its public face.',
      severity: 'error',
      from: { path: '^lib/testing/' },
      to: { path: '^lib/', pathNot: ['^lib/testing/', '^lib/nest/', '^lib/broker/', '^lib/amqp/index\\.ts$'] },
    },
    {
      name: 'cli-uses-public-faces',
      comment: 'The commands use the broker and the client, each by its public face.',
      severity: 'error',
      from: { path: '^lib/cli/' },
      to: { path: '^lib/', pathNot: ['^lib/cli/', '^lib/(amqp|broker)/index\\.ts$', '^lib/nest/'] },
    },
    {
      name: 'cli-loads-nest-lazily',
      comment: 'Nest is an optional peer: a command that needs it says import() when it runs.',
      severity: 'error',
      from: { path: '^lib/cli/' },
      to: { path: '^lib/(nest|testing)/|node_modules/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'peers-only',
      comment: 'leveret has no dependencies: what it imports is Node, itself, or one of its peers.',
      severity: 'error',
      from: { path: '^lib/' },
      to: {
        pathNot: ['^lib/', '(^|node_modules/)(@nestjs/(common|core|microservices|testing)|rxjs|reflect-metadata)(/|$)'],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'no-other-client',
      comment: 'The AMQP client is our own.',
      severity: 'error',
      from: { path: '^lib/' },
      to: {
        path: '(^|node_modules/)(amqplib|amqp-connection-manager|rabbitmq-client|@cloudamqp|rhea|@golevelup)(/|$)',
      },
    },
    {
      name: 'lib-is-not-a-test',
      comment: 'What is published imports nothing that is not.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(test|sample|scripts|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Imports of types count too: a layer that names a type of a higher one depends on it.
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      mainFields: ['main'],
    },
  },
};
