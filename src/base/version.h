/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGECTL_BASE_VERSION_H
#define EDGECTL_BASE_VERSION_H

#define EDGECTL_VERSION "0.1.0"

#endif
