"""The routes of `/v1`, by subject. Whom each admits stands in `archiver.service.admission`."""
