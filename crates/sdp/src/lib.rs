//! Session descriptions and offer/answer (RFC 8866, 3264)
