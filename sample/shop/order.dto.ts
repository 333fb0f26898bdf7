import { IsEmail, IsInt, IsString, IsUUID, Max, Min } from 'class-validator';

/** What a customer sends. */
export class OrderDto {
  @IsEmail()
  readonly customer!: string;

  @IsString()
  readonly article!: string;

  @IsInt()
  @Min(1)
  @Max(100)
  readonly quantity!: number;
}

export class PlacedOrder extends OrderDto {
  /** The customer's idempotency key, so that an order that is sent again is known to be the same. */
  @IsUUID()
  readonly id!: string;
}

export class AcceptedOrder extends PlacedOrder {
  /** Cents. */
  @IsInt()
  readonly total!: number;
}
