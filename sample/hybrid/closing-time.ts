import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** Tells the customers to ask for nothing more, since the application closes: at the end, or on a signal. */
@Injectable()
export class ClosingTime implements OnModuleDestroy {
  readonly #closing = new AbortController();

  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  onModuleDestroy(): void {
    this.#closing.abort(new Error('the shop has closed'));
  }
}
