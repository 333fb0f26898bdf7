/** Publishes the file in three parts and cuts all connections in the midst of the first two. */
import type { INestMicroservice } from '@nestjs/common';
import type { Connection } from 'leveret/amqp';
import { RecoveryService } from 'leveret';
import type { Broker } from '../shared/broker.js';
import { Cutter, describeCut, type Cut } from '../shared/cutter.js';
import type { Line } from './orders-file.js';
import { OrdersConsumer } from './orders.consumer.js';
import { Progress, say } from './progress.js';
import type { Run } from './report.js';
import { ShopPublisher } from './shop.publisher.js';
import { TotalsClient } from './totals.client.js';

/** What is going on at a moment. */
interface Activity {
  readonly unconfirmedPublishes: number;
  readonly unsettledDeliveries: number;
}

const isBusy = ({ unconfirmedPublishes, unsettledDeliveries }: Activity): boolean =>
  unconfirmedPublishes >= 100 && unsettledDeliveries >= 1;

export async function runShop(app: INestMicroservice, broker: Broker, lines: readonly Line[]): Promise<Run> {
  const publisher = app.get(ShopPublisher);
  const consumer = app.get(OrdersConsumer);
  const totals = app.get(TotalsClient);
  await totals.ask();
  // Every connection there is: the module's, the server's and the client's.
  const recovery = app.get(RecoveryService);
  const cutter = new Cutter(broker, () => [
    ...recovery.connections().map(({ state, epoch }) => ({ isOpen: state === 'open', epoch })),
    app.unwrap<Connection>(),
    totals.connection,
  ]);
  const activity = (): Activity => ({
    unconfirmedPublishes: publisher.unconfirmed,
    unsettledDeliveries: consumer.unsettledDeliveries,
  });

  const progress = new Progress(lines.length);
  const following = totals.follow(lines.length, ({ handled, deadLettered }) => {
    progress.show(handled + deadLettered, publisher.confirmed);
  });
  const cuts: Cut<Activity>[] = [];
  const [first, second, third] = inThree(lines);
  for (const part of [first, second]) {
    const publishing = publisher.publishAll(part);
    const cut = await cutter.cutDuring(publishing, activity, isBusy);
    if (cut) {
      say(describe(cut));
      cuts.push(cut);
    }
    await publishing;
  }
  await publisher.publishAll(third);
  const answer = await following;
  progress.stop();

  const { published, confirmed, replayedUnknowns } = publisher;
  const recoveries = cuts.filter(({ recoveredAfter }) => recoveredAfter !== undefined).length;
  return { published, confirmed, replayedUnknowns, totals: answer, cuts: cuts.length, recoveries };
}

function inThree(lines: readonly Line[]): [Line[], Line[], Line[]] {
  const third = Math.ceil(lines.length / 3);
  return [lines.slice(0, third), lines.slice(third, 2 * third), lines.slice(2 * third)];
}

function describe(cut: Cut<Activity>): string {
  const { unconfirmedPublishes, unsettledDeliveries } = cut.activity;
  return describeCut(
    cut,
    `${String(unconfirmedPublishes)} publishes unconfirmed and ${String(unsettledDeliveries)} deliveries unsettled`,
  );
}
