// npm run bench: measures leveret beside its peers and the floor. The first word says what; README.md says the rest.
// Standard output carries the results alone; progress goes to standard error.
// Exit code: 0, 1 when a measurement failed, 2 when an option is wrong or a broker cannot be reached.
import { UsageError, withoutPasswords } from './options.mjs';

const usage = `Usage: npm run bench -- [COMMAND] [options]

  all         everything below, and then the report: what docs/performance.md shows
  scenarios   leveret beside its peers and the floor, clients and NestJS; meant where there is no command
  latency     from publish to delivery, by a schedule, beside the peers
  growth      how the cost grows with bodies, windows, channels, connections, headers, handlers
  worth       what each thing that makes the client fast is worth, by turning it off
  memory      what an idle connection, a channel, ... holds; a heap that stays flat; bounds
  report      tables and charts out of a file of results, into docs/performance.md
  broker      the embedded broker: its start, its memory, its rates beside other brokers

Each lists its options with --help.`;

const commands = {
  all: './all.mjs',
  scenarios: './scenarios/main.mjs',
  latency: './latency/main.mjs',
  growth: './growth/main.mjs',
  worth: './worth/main.mjs',
  memory: './memory/main.mjs',
  report: './report/main.mjs',
  broker: './embedded/main.mjs',
};

// What was started is ended by handlers of `exit`.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

const given = process.argv.slice(2);
const [word, ...args] =
  given.length === 0 || (given[0].startsWith('--') && given[0] !== '--help') ? ['scenarios', ...given] : given;
let urls = [];
try {
  if (word === '--help') console.log(usage);
  else if (!Object.hasOwn(commands, word)) {
    throw new UsageError(`the first word is one of ${Object.keys(commands).join(', ')}, not '${word}'`);
  } else {
    const command = await import(commands[word]);
    const options = command.read(args, process.env);
    urls = (options.brokers ?? []).map(({ url }) => url);
    if (options.help) console.log(command.usage);
    else await command.run(options);
  }
} catch (error) {
  console.error(withoutPasswords(`bench: ${error.message}`, urls));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
