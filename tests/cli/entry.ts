/** The command line from the sources, so that tests need no build. */
import { main } from '../../cli/main.ts';

process.exitCode = await main(process.argv.slice(2));
