"""Webhooks: what happened, posted to a URL as CloudEvents, signed, in order, until it was taken."""

from gemel.connectors.webhook.sink import WebhookSettings, WebhookSink

__all__ = ["WebhookSettings", "WebhookSink"]
