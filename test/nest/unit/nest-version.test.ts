/** That the tests run on the NestJS that was asked for, and with one copy of what it shares with us. */
import { BadRequestException, ValidationPipe } from '@nestjs/common';
import { AmqpClient } from 'leveret';
import { IsInt } from 'class-validator';
import { Observable } from 'rxjs';
import { nestMajor } from '../../support/nest-version.js';

test('NestJS is the one that was asked for', () => {
  expect(nestMajor).toBe(process.env['LEVERET_TEST_NEST'] === '11' ? 11 : 12);
});

test('its observables are ours', () => {
  const client = new AmqpClient({ queue: 'none' });
  expect(client.send('pattern', {})).toBeInstanceOf(Observable);
});

test('its validation sees the decorators of our DTOs', async () => {
  class Order {
    @IsInt()
    amount!: number;
  }
  const validating = new ValidationPipe().transform({ amount: 'much' }, { type: 'body', metatype: Order });
  await expect(validating).rejects.toBeInstanceOf(BadRequestException);
});
