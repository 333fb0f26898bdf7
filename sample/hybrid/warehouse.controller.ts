import { setTimeout } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { StockQuestionDto } from './order.dto.js';

export interface Stock {
  readonly sku: string;
  readonly available: number;
}

@Controller()
export class WarehouseController {
  @MessagePattern('stock.count')
  async count(@Payload() { sku }: StockQuestionDto): Promise<Stock> {
    // Somebody has to walk there and count, which takes longer than a customer waits.
    if (sku.startsWith('pallet-')) await setTimeout(1_000);
    return { sku, available: 100 };
  }
}
