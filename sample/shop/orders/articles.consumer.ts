import { Injectable } from '@nestjs/common';
import { Consume } from 'leveret';
import { ArticleDto } from '../article.dto.js';
import { names } from '../names.js';
import { OrderBook } from './order-book.js';

@Injectable()
export class ArticlesConsumer {
  constructor(private readonly book: OrderBook) {}

  /** Who asked is answered once it is written down. */
  @Consume({ queue: names.articles, exchange: names.shop, routingKey: 'article.list', reply: true })
  async list(article: ArticleDto): Promise<{ listed: string }> {
    await this.book.list(article);
    return { listed: article.article };
  }
}
