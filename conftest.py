"""Load the plugin from the checkout; an installed distribution registers it by its entry point."""

pytest_plugins = ("resnet_fixtures.plugin", "pytester")
