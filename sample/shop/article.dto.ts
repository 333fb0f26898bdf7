import { IsInt, IsString, Min } from 'class-validator';

export class ArticleDto {
  @IsString()
  readonly article!: string;

  /** Cents. */
  @IsInt()
  @Min(1)
  readonly price!: number;
}
