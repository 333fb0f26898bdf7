// Lets a worker thread run TypeScript, given as `--import` in its execArgv. tsx's own `--import tsx` reaches the main
// thread only (Node 20).
import { register } from 'tsx/esm/api';

register();
