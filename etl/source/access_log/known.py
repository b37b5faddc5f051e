"""The formats that have a name, and the strings that an analyst may give instead."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from etl.source.access_log.layout import Layout, Variable, layout_of
from etl.source.access_log.nginx import nginx_parts

_COMMON = '$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent'
_COMBINED = f'{_COMMON} "$http_referer" "$http_user_agent"'
_ALB = '$elb_status $target_status $received_bytes $sent_bytes "$request" "$http_user_agent" $ssl_cipher $ssl_protocol'

#: Strings in nginx's notation, the more special before the more general: an earlier one of two that fit alike is meant.
_STRINGS: dict[str, str] = {
    "vhost_combined": f"$vhost {_COMBINED}",
    "traefik": f'{_COMBINED} $request_count "$router" "$server_url" ${{duration_ms}}ms',
    "combined": _COMBINED,
    "vhost_common": f"$vhost {_COMMON}",
    "common": _COMMON,
    "aws_alb": (
        f"$type $time_iso8601 $elb $client $target_pair $request_processing_time $target_processing_time "
        f'$response_processing_time {_ALB} $target_group_arn "$trace_id" "$domain_name" "$chosen_cert_arn" '
        '$matched_rule_priority $request_creation_time "$actions_executed" "$redirect_url" "$error_reason" '
        '"$target_list" "$target_status_list" "$classification" "$classification_reason"'
    ),
    "aws_elb": (
        f"$time_iso8601 $elb $client $target_pair $request_processing_time $target_processing_time "
        f"$response_processing_time {_ALB}"
    ),
    "haproxy": (
        "$client [$time_haproxy] $frontend $backend/$server $tq/$tw/$tc/$tr/$duration_ms $any_status $bytes_read "
        '$request_cookie $response_cookie $termination_state $connections $queues $captured_headers"$request"'
    ),
    "aws_s3": (
        '$bucket_owner $bucket [$time_local] $remote_ip $requester $request_id $operation $key "$request" $status '
        '$error_code $bytes_sent $object_size $duration_ms $turn_around_time "$http_referer" "$http_user_agent" $version_id'
    ),
}
_TAILS = frozenset({"vhost_combined", "combined", "vhost_common", "common", "aws_alb", "aws_elb", "aws_s3", "haproxy"})
#: Fields that later versions of a format have behind the last one.
_MORE: dict[str, tuple[str, ...]] = {
    "aws_s3": (
        "host_id",
        "signature_version",
        "cipher_suite",
        "authentication_type",
        "vhost",
        "tls_version",
        "access_point_arn",
        "acl_required",
    )
}
#: Formats that are read only where the job names them: most of their lines are of no visitors.
NAMED_ONLY = frozenset({"aws_s3"})

_OWN: dict[str, Variable] = {
    "vhost": Variable("server_name", "vhost", "vhost"),
    "client": Variable("client", "pair", "host"),
    "target_pair": Variable("target_host", "pair"),
    "elb_status": Variable("elb_status", "status", "status"),
    "target_status": Variable("target_status"),
    "received_bytes": Variable("received_bytes", "number"),
    "sent_bytes": Variable("sent_bytes", "number", "bytes"),
    "domain_name": Variable("domain_name", "text", "vhost"),
    "request_processing_time": Variable("request_processing_time", "number"),
    "target_processing_time": Variable("target_processing_time", "number"),
    "response_processing_time": Variable("response_processing_time", "number"),
    "duration_ms": Variable("duration_ms", "ms", "duration"),
    "request_count": Variable("request_count", "number"),
    "time_haproxy": Variable("time_haproxy", "strftime", "time", 0, "%d/%b/%Y:%H:%M:%S.%f"),
    "any_status": Variable("status_code", "number", "status"),  # -1 where no answer was given
    "captured_headers": Variable("captured_headers", "captures"),
    "remote_ip": Variable("remote_ip", "peer", "host"),
    "object_size": Variable("object_size", "number"),
    "turn_around_time": Variable("turn_around_time", "number"),
    "bytes_read": Variable("bytes_read", "number", "bytes"),
}

#: Fields whose sum is the duration, in seconds, where a line has no duration of its own.
SUMMED = ("request_processing_time", "target_processing_time", "response_processing_time")

_ALIASES = {
    "apache": "combined",
    "nginx": "combined",
    "alb": "aws_alb",
    "elb": "aws_elb",
    "s3": "aws_s3",
    "iis": "w3c",
    "caddy": "json",
    "cloudflare": "json",
    "traefik_json": "json",
}
LINE_FORMATS = tuple(_STRINGS)
#: The names that `source.log_format` may give.
NAMES = ("auto", *sorted(LINE_FORMATS), "w3c", "cloudfront", "json")


def real_name(name: str) -> str | None:
    """Return the name that `name` means, also by another name that servers go by; None for no name."""
    folded = name.strip().lower()
    folded = _ALIASES.get(folded, folded)
    return folded if folded in NAMES else None


@cache
def known_layout(name: str) -> Layout:
    """Return the layout of a line format by its name."""
    layout = layout_of(nginx_parts(_STRINGS[name], _OWN), tail=name in _TAILS, more=_MORE.get(name, ()))
    return replace(layout, prefixed=name == "haproxy")
