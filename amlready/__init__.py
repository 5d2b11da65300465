"""Know that an Azure ML online endpoint deploys, and collects its data, before Azure does."""

__version__ = "0.1.0"
