import { Controller, Get, Inject, Param, UseFilters } from '@nestjs/common';
import { AmqpClient } from 'leveret';
import { AmqpErrorFilter } from '../shared/amqp-error.filter.js';
import { suppliersClient, warehouseClient } from './clients.js';
import type { Stock } from './warehouse.controller.js';

/** Milliseconds that a customer may wait for the warehouse, and for a supplier. */
const [warehouseTimeout, supplierTimeout] = [500, 5_000];

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
    return this.warehouse.request<Stock>('stock.count', { sku }, { timeout: warehouseTimeout });
  }

  /** Where no queue takes the question nobody waits for an answer: 503 at once. */
  @Get(':sku/supplier')
  supplier(@Param('sku') sku: string): Promise<unknown> {
    return this.suppliers.request('supplier.find', { sku }, { timeout: supplierTimeout });
  }
}
