/** Amounts as the reader writes them. */

import { money as exact } from "../format/money";
import { reader } from "../i18n/index.svelte";

export const money = (amount: string, currency: string): string => exact(amount, currency, reader.locale);
