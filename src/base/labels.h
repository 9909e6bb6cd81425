/* SPDX-License-Identifier: Apache-2.0 */
/* Names by which a version of an app is asked for, and says which it is, on this machine. */
#ifndef EDGECTL_BASE_LABELS_H
#define EDGECTL_BASE_LABELS_H

/* In a request: the version that must answer. In an answer: the one that did. */
#define LABEL_VERSION "edgectl-version"
/* Requests with the same value of this header, else of this cookie, stay with one version. */
#define LABEL_CLIENT "edgectl-client"

#endif
