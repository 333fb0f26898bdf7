/** Where the sample runs: on the broker that AMQP_URL names, or on an embedded one; both over TCP, both can be cut. */
import { connectTcp, type Transport, type TransportFactory } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';

export interface Broker {
  /** For people: no password in it. */
  readonly description: string;
  readonly url: string;
  /** How every connection of the sample is opened; undefined: as usual. */
  readonly transport: TransportFactory | undefined;
  /** Cuts every connection of the sample, without a goodbye; answers how many there were. */
  cutAll(): number;
  stop(): Promise<void>;
}

export async function openBroker(url: string | undefined): Promise<Broker> {
  return url === undefined || url === '' ? startEmbedded() : useRunning(url);
}

async function startEmbedded(): Promise<Broker> {
  const broker = await EmbeddedBroker.start({ port: 0 });
  return {
    description: `an embedded broker on port ${String(broker.port)}`,
    url: broker.url,
    transport: undefined,
    cutAll: () => broker.faults.dropAll(),
    stop: () => broker.stop(),
  };
}

/** Nobody can ask a real broker to fail, so the sample cuts its own sockets instead. */
function useRunning(url: string): Broker {
  const open = new Set<Transport>();
  return {
    description: 'the broker that AMQP_URL names',
    url,
    transport: async (endpoint, signal) => {
      const transport = await connectTcp(endpoint, signal);
      open.add(transport);
      return transport;
    },
    cutAll: () => {
      const count = open.size;
      for (const transport of open) transport.destroy();
      open.clear();
      return count;
    },
    stop: () => Promise.resolve(),
  };
}
