// The NestJS suites: ours, Nest's own RabbitMQ transport and golevelup, in a folder for each version of Nest, because
// golevelup 9 takes NestJS 11 only. ../scenarios/suites.mjs says what a suite is.
//
// Ours stand there twice, so that each other one has its like: `leveret` is the module with its own decorators, as
// golevelup is; `leveret-transport` is used through Nest's own classes and speaks its packets.
import { messageOf, scenarios } from './scenarios.mjs';

const clients = [
  { name: 'leveret', file: 'leveret.mjs' },
  { name: 'leveret-transport', file: 'leveret-transport.mjs', from: 'leveret', readsPackets: true },
  { name: '@nestjs/microservices', file: 'nest-transport.mjs', readsPackets: true, role: 'peer' },
];

const golevelup = { name: '@golevelup/nestjs-rabbitmq', file: 'golevelup.mjs', role: 'peer' };

function suite(version, others) {
  const folder = new URL(`./nest${version}/`, import.meta.url);
  const client = ({ name, file, from = name, ...rest }) => ({
    name,
    file: new URL(`./clients/${file}`, import.meta.url),
    manifest: new URL(`./node_modules/${from}/package.json`, folder),
    ...rest,
  });
  return {
    name: `nest${version}`,
    title: `NestJS ${version}`,
    scenarios,
    messageOf,
    messageFile: new URL('./scenarios.mjs', import.meta.url),
    clients: [...clients, ...others].map(client),
    folder,
  };
}

export const nestSuites = [suite(12, []), suite(11, [golevelup])];
