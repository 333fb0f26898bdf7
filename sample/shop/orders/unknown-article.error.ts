/** No retry mends it: somebody has to put the article on the list. */
export class UnknownArticleError extends Error {
  override readonly name = 'UnknownArticleError';

  constructor(article: string) {
    super(`there is no article "${article}" on the list`);
  }
}
