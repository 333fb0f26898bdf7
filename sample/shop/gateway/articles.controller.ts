import { Body, Controller, HttpCode, HttpStatus, Put } from '@nestjs/common';
import { InjectPublisher, Publisher } from 'leveret';
import { ArticleDto } from '../article.dto.js';
import { names } from '../names.js';
import type { ShopEvents } from '../shop-events.js';

/** Milliseconds that the shop's staff may wait for orders. */
const timeout = 5_000;

@Controller('articles')
export class ArticlesController {
  constructor(@InjectPublisher({ exchange: names.shop }) private readonly shop: Publisher<ShopEvents>) {}

  /** Answers 204 once orders has the article on its list: a request and its reply. To ask twice does no harm. */
  @Put()
  @HttpCode(HttpStatus.NO_CONTENT)
  async list(@Body() article: ArticleDto): Promise<void> {
    await this.shop.request('article.list', article, { timeout });
  }
}
