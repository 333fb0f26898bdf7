/** For the shop's staff: what could not be handled, why, and another try once the cause is mended. */
import { Controller, Get, HttpCode, HttpStatus, Param, ParseEnumPipe, Post } from '@nestjs/common';
import { ParkedMessages } from 'leveret';
import { names } from '../names.js';

const queues = { orders: 'orders', mail: 'mail' } as const;
type QueueName = keyof typeof queues;

export interface ParkedOrder {
  readonly id: string | undefined;
  readonly error: string | undefined;
  readonly message: string | undefined;
  readonly attempts: number;
}

@Controller('parked/:queue')
export class ParkedController {
  constructor(private readonly parked: ParkedMessages) {}

  @Get()
  async list(@Param('queue', new ParseEnumPipe(queues)) queue: QueueName): Promise<ParkedOrder[]> {
    const messages = await this.parked.list(names[queue], { limit: 1_000 });
    return messages.map(({ messageId, error, errorMessage, attempts }) => ({
      id: messageId,
      error,
      message: errorMessage,
      attempts,
    }));
  }

  /** Puts all of them back into their queue, with the same message ids: what was done already is not done again. */
  @Post('replay')
  @HttpCode(HttpStatus.OK)
  async replay(@Param('queue', new ParseEnumPipe(queues)) queue: QueueName): Promise<{ replayed: number }> {
    const { moved } = await this.parked.replay(names[queue]);
    return { replayed: moved };
  }
}
