import { Type } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsArray,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  Min,
  ValidateNested,
} from 'class-validator';

export class OrderItemDto {
  @IsString()
  readonly sku!: string;

  @IsInt()
  @Min(1)
  readonly quantity!: number;

  /** In cents. */
  @IsInt()
  @Min(1)
  readonly unitPrice!: number;
}

/** A shop order, as one line of orders.jsonl holds it. */
export class OrderDto {
  @Matches(/^order-\d{6}$/)
  readonly id!: string;

  @IsString()
  readonly customer!: string;

  @IsISO8601()
  readonly placedAt!: string;

  @IsArray()
  @ArrayNotEmpty()
  @ValidateNested({ each: true })
  @Type(() => OrderItemDto)
  readonly items!: readonly OrderItemDto[];

  @IsOptional()
  @IsString()
  readonly note?: string;
}
