"""CityLoom (织城): one platform a city runs on."""
