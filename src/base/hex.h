/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal. */
#ifndef EDGECTL_BASE_HEX_H
#define EDGECTL_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The digit's value, of either case; -1 if it is none. */
int hex_digit(char c);
/* Lower-case, 2 * len digits and a NUL. */
void hex_encode(const uint8_t *data, size_t len, char *ret_hex);
/* The text is `digits` lower-case digits, and nothing else. NULL is not. */
bool hex_is(const char *text, size_t digits);

#endif
