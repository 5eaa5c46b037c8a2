/** Hours as the pages of work tell them. */

import { reader, t } from "../i18n/index.svelte";

export const plainHours = (value: number): string => new Intl.NumberFormat(reader.locale, { maximumFractionDigits: 1 }).format(value);
/** "2.2 h". */
export const hours = (value: number): string => t("work.hours", { hours: plainHours(value) });
