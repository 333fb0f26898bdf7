import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { Ledger, type Totals } from './ledger.js';

@Controller()
export class TotalsController {
  constructor(private readonly ledger: Ledger) {}

  @MessagePattern('totals')
  totals(): Totals {
    return this.ledger.totals();
  }
}
