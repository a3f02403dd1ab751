#!/bin/sh
# nginx_tls.sh PORT CERTIFICATE: nginx in the foreground, answering 16 KB over TLS; everything it writes under build/nginx.
here=$(cd "$(dirname "$0")" && pwd)
dir=$here/../build/nginx/$1
mkdir -p "$dir/pages"
head -c 16384 /dev/zero | tr '\0' x > "$dir/pages/index.html"
certificate=$(cd "$here/.." && realpath "$2")
sed -e "s|@DIR@|$dir|g" -e "s|@PORT@ backlog=4096|$1 ssl backlog=4096|" \
    -e "s|location / .*|ssl_certificate $certificate; ssl_certificate_key $certificate; root $dir/pages; open_file_cache max=10;|" \
    "$here/nginx.conf.in" > "$dir/nginx.conf"
exec nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
