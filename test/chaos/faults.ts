/**
 * How each fault is made and healed, and how many outages of whom are right for it. Knows the node and the proxies; must not
 * know which faults come when, nor judge.
 */
import type { ControlledNode } from '../support/controlled-node.js';
import { pause } from '../support/waiting.js';
import type { Crowd, Member } from './crowd.js';
import type { OutageCount } from './history.js';
import type { FaultName, ScheduledFault } from './schedule.js';
import { deletable } from './traffic.js';

export interface Fault {
  readonly detail: string;
  readonly outages: Readonly<Record<string, OutageCount>>;
  /** Makes it; resolves when it has healed. */
  readonly run: () => Promise<void>;
}

interface Scene {
  readonly node: ControlledNode;
  readonly crowd: Crowd;
  readonly fault: ScheduledFault;
  readonly victim: Member;
}

const once: OutageCount = [1, 1];

function everybody({ crowd }: Scene): Fault['outages'] {
  return Object.fromEntries(crowd.members.map(({ name }) => [name, once]));
}

function oneOnly({ victim }: Scene): Fault['outages'] {
  return { [victim.name]: once };
}

/** Of what happens to the whole node. */
function ofNode(scene: Scene, run: () => Promise<void>): Fault {
  return { detail: `${String(scene.fault.duration)} ms`, outages: everybody(scene), run };
}

/** Of what happens to one connection. */
function ofVictim(scene: Scene, run: () => Promise<void>): Fault {
  const { victim, fault } = scene;
  const lasting = fault.duration > 0 ? `, ${String(fault.duration)} ms` : '';
  return { detail: `${victim.name}${lasting}`, outages: oneOnly(scene), run };
}

/** The process at the broker's end of the victim's connection. */
async function processOf({ node, victim }: Scene): Promise<string> {
  const list = await node.control('list_connections', 'pid', 'client_properties');
  // The name stands in the table of client properties, where one name is not the beginning of another.
  const line = list.split('\n').find((one) => one.includes(`"${victim.name}"`));
  if (line === undefined) throw new Error(`the broker does not list ${victim.name}`);
  return line.split('\t')[0] ?? '';
}

const makers: Readonly<Record<FaultName, (scene: Scene) => Fault>> = {
  'close-all-connections': (scene) =>
    ofNode(scene, async () => {
      await scene.node.control('close_all_connections', 'chaos');
    }),
  'close-connection': (scene) =>
    ofVictim(scene, async () => {
      await scene.node.control('close_connection', await processOf(scene), 'chaos');
    }),
  'stop-app': (scene) =>
    ofNode(scene, async () => {
      await scene.node.control('stop_app');
      await pause(scene.fault.duration);
      await scene.node.control('start_app');
    }),
  'stop-node': (scene) =>
    ofNode(scene, async () => {
      await scene.node.stop();
      await pause(scene.fault.duration);
      await scene.node.start();
    }),
  kill: (scene) =>
    ofNode(scene, async () => {
      await scene.node.kill();
      await pause(scene.fault.duration);
      await scene.node.start();
    }),
  freeze: (scene) =>
    ofNode(scene, async () => {
      await scene.node.freeze();
      await pause(scene.fault.duration);
      await scene.node.thaw();
    }),
  'memory-alarm': ({ node, fault }) => ({
    detail: `${String(fault.duration)} ms`,
    outages: {},
    run: async () => {
      await node.control('set_vm_memory_high_watermark', 'absolute', '1');
      await pause(fault.duration);
      await node.control('set_vm_memory_high_watermark', '0.4');
    },
  }),
  'delete-queue': ({ node, crowd }) => ({
    detail: deletable,
    outages: {},
    run: () =>
      crowd.sparing(deletable, async () => {
        await node.control('delete_queue', deletable);
      }),
  }),
  cut: (scene) =>
    ofVictim(scene, async () => {
      scene.victim.proxy.cut();
    }),
  reset: (scene) =>
    ofVictim(scene, async () => {
      scene.victim.proxy.reset();
    }),
  // The next three connections are cut at the first, second and third frame of the handshake, or in the step after it.
  'cut-during-recovery': (scene) =>
    ofVictim(scene, async () => {
      const { proxy } = scene.victim;
      const before = proxy.connections;
      proxy.behave = (number) => {
        const occurrence = number - before;
        if (occurrence > 4) return undefined;
        return { atFrame: { direction: 'toBroker', occurrence, when: 'after', act: (connection) => connection.cut() } };
      };
      proxy.cut();
      while (proxy.connections - before < 5) await pause(20);
      proxy.behave = () => undefined;
    }),
  'black-hole': (scene) =>
    ofVictim(scene, async () => {
      scene.victim.proxy.hold(scene.fault.direction);
      await pause(scene.fault.duration);
      scene.victim.proxy.release();
    }),
  // What was swallowed is missing: no connection of that time may go on.
  silence: (scene) =>
    ofVictim(scene, async () => {
      scene.victim.proxy.swallow(scene.fault.direction);
      await pause(scene.fault.duration);
      scene.victim.proxy.cut();
      scene.victim.proxy.release();
    }),
  // The slow connection goes on after it, until it is lost over something else.
  latency: (scene) =>
    ofVictim(scene, async () => {
      const { proxy } = scene.victim;
      proxy.behave = () => ({ latency: 100 });
      proxy.cut();
      await pause(scene.fault.duration);
      proxy.behave = () => undefined;
    }),
};

export function makeFault(node: ControlledNode, crowd: Crowd, fault: ScheduledFault): Fault {
  const victim = crowd.members[Math.floor(fault.victim * crowd.members.length)];
  if (!victim) throw new Error('there is nobody');
  return makers[fault.name]({ node, crowd, fault, victim });
}
