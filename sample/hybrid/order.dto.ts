import { IsEmail, IsInt, IsString, IsUUID, Matches, Max, Min } from 'class-validator';

export class OrderDto {
  /** Chosen by the customer, so that an order that is sent again is known to be the same. */
  @IsUUID()
  readonly id!: string;

  @IsEmail()
  readonly customer!: string;

  @Matches(/^[a-z]+-\d{2}$/)
  readonly sku!: string;

  @IsInt()
  @Min(1)
  @Max(100)
  readonly quantity!: number;
}

export class StockQuestionDto {
  @IsString()
  readonly sku!: string;
}
