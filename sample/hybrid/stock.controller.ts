import { Controller, Get, Inject, Param, UseFilters } from '@nestjs/common';
import { AmqpClient } from 'leveret';
import { AmqpErrorFilter } from './amqp-error.filter.js';
import { suppliersClient, warehouseClient } from './clients.js';
import type { Stock } from './warehouse.controller.js';

/** Milliseconds that a customer may wait for an answer. */
const timeout = 500;

@Controller('stock')
@UseFilters(AmqpErrorFilter)
export class StockController {
  constructor(
    @Inject(warehouseClient) private readonly warehouse: AmqpClient,
    @Inject(suppliersClient) private readonly suppliers: AmqpClient,
  ) {}

  /** 504 where the warehouse does not answer in time, 503 where there is none. */
  @Get(':sku')
  stock(@Param('sku') sku: string): Promise<Stock> {
    return this.warehouse.request<Stock>('stock.count', { sku }, { timeout });
  }

  @Get(':sku/supplier')
  supplier(@Param('sku') sku: string): Promise<unknown> {
    return this.suppliers.request('supplier.find', { sku }, { timeout });
  }
}
