"""The service mapping: which vendor identifiers stand for which of our services, per tenant.

Above: the adapter's servicer substitutes with it; ServiceMappingService shows and changes it. Below: Postgres, schema `adapter`.
"""

from mcp_adapter_service.service_mapping.cache import MappingCache
from mcp_adapter_service.service_mapping.servicer import ServiceMappingServicer
from mcp_adapter_service.service_mapping.store import OWNER, MappingStore
from mcp_adapter_service.service_mapping.substitution import Substitution, substitutions

__all__ = ["OWNER", "MappingCache", "MappingStore", "ServiceMappingServicer", "Substitution", "substitutions"]
