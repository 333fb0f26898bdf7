import 'reflect-metadata';
import { ConfigurationError, OnRecovery, type RecoveryEventName, type RecoveryEvents } from 'leveret';

function decorate(event: unknown, options?: unknown): () => void {
  return () => {
    class Orders {
      @OnRecovery(event as RecoveryEventName, options as object)
      onOutage(): void {}
    }
    return Orders;
  };
}

describe('@OnRecovery names class, method and what is wrong', () => {
  test.each<[string, unknown, unknown, string]>([
    [
      'an event that does not exist',
      'recoverd',
      {},
      `the event must be one of 'lost', 'reconnecting', 'recovered', 'failed', 'healed'`,
    ],
    ['no event', undefined, undefined, 'the event must be one of'],
    ['a name that objects have', 'constructor', {}, 'the event must be one of'],
    ['an unknown option', 'lost', { conection: 'audit' }, 'unknown option "conection" (known: connection)'],
    ['a wrong connection', 'lost', { connection: 5 }, 'option "connection" must be a string'],
    ['an empty connection', 'lost', { connection: '' }, 'option "connection" must not be empty'],
    ['options that are none', 'lost', 'audit', 'the options must be an object'],
  ])('%s', (_name, event, options, problem) => {
    expect(decorate(event, options)).toThrow(ConfigurationError);
    expect(decorate(event, options)).toThrow(`Orders.onOutage: @OnRecovery: `);
    expect(decorate(event, options)).toThrow(problem);
  });

  test('it belongs on a method of instances', () => {
    expect(() => {
      class Orders {
        @OnRecovery('lost')
        static onLost(): void {}
        onRecovered(): void {}
      }
      return Orders;
    }).toThrow('Orders.onLost: @OnRecovery belongs on a named method of instances');
  });

  test('the compiler holds a method to the event', () => {
    class Orders {
      @OnRecovery('lost')
      onLost({ cause }: RecoveryEvents['lost']): string {
        return cause.message;
      }
      // @ts-expect-error -- a loss has no duration
      @OnRecovery('lost')
      onLate({ duration }: RecoveryEvents['recovered']): number {
        return duration;
      }
    }
    expect(Orders).toBeDefined();
  });
});
