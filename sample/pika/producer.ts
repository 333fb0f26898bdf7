/**
 * Pika: `producer.py`. Ten orders for the consumers of `consumer-simple.ts` and `consumer-queued.ts`.
 *
 *     npx tsx sample/pika/producer.ts [prefix of the exchanges]
 */
import { connect } from 'leveret/amqp';

const [prefix = 'com.micex'] = process.argv.slice(2);
const tickers = ['MXSE.EQBR.LKOH', 'MXSE.EQBR.MSNG', 'MXSE.EQBR.SBER', 'MXSE.EQNE.GAZP', 'MXSE.EQNE.PLZL'];

const connection = await connect(process.env['AMQP_URL']);
const channel = await connection.openChannel();
await channel.exchangeDeclare(`${prefix}.sten`, 'direct');
await channel.exchangeDeclare(`${prefix}.lasttrades`, 'direct');

for (let count = 0; count < 10; count += 1) {
  const ticker = tickers[Math.floor(Math.random() * tickers.length)];
  const order = { 'order.stop.create': { data: { params: { condition: { ticker } } } } };
  channel.basicPublish(`${prefix}.sten`, 'order.stop.create', JSON.stringify(order), {
    contentType: 'application/json',
  });
  console.log(`send ticker ${ticker ?? ''}`);
}

await connection.close();
