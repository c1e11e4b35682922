// Shows the operations of the API.  Orders that are tried here come from the session of the visitor, so
// they carry the mark that tells them from forged ones.
"use strict";

const place = document.getElementById("operations");

SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (request.method === "POST") request.headers["X-CSRFToken"] = place.dataset.csrfToken;
    return request;
  },
});
